/** Light or dark: as the system has it, until somebody says otherwise; that is remembered. */

export type Theme = 'light' | 'dark';

const KEY = 'wildrydes.theme';

export class Themes {
  theme: Theme;
  private readonly onChange: (theme: Theme) => void;
  private readonly dark = matchMedia('(prefers-color-scheme: dark)');

  constructor(button: HTMLButtonElement, onChange: (theme: Theme) => void) {
    this.onChange = onChange;
    this.theme = remembered() ?? this.systems();
    this.show(button);
    button.addEventListener('click', () => {
      this.theme = this.theme === 'dark' ? 'light' : 'dark';
      remember(this.theme);
      this.show(button);
      this.onChange(this.theme);
    });
    this.dark.addEventListener('change', () => {
      if (remembered() !== undefined) return;
      this.theme = this.systems();
      this.show(button);
      this.onChange(this.theme);
    });
  }

  private systems(): Theme {
    return this.dark.matches ? 'dark' : 'light';
  }

  private show(button: HTMLButtonElement): void {
    document.documentElement.dataset['theme'] = this.theme;
    const other = this.theme === 'dark' ? 'light' : 'dark';
    button.setAttribute('aria-label', `Switch to ${other} colours`);
    button.title = `Switch to ${other} colours`;
    button.textContent = this.theme === 'dark' ? '☀' : '☾';
  }
}

function remembered(): Theme | undefined {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : undefined;
  } catch {
    // A browser that keeps nothing has nothing to remember.
    return undefined;
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Then it holds until the page is left.
  }
}
