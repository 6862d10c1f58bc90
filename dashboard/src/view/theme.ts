/** The light or dark theme: the system's, unless the user chose one. The choice is saved. */

export type Theme = 'light' | 'dark';

const KEY = 'wildrydes.theme';

/** The current theme, and the button that switches it. */
export class Themes {
  theme: Theme;
  private readonly onChange: (theme: Theme) => void;
  private readonly dark = matchMedia('(prefers-color-scheme: dark)');

  constructor(button: HTMLButtonElement, onChange: (theme: Theme) => void) {
    this.onChange = onChange;
    this.theme = saved() ?? this.systemTheme();
    this.show(button);
    button.addEventListener('click', () => {
      this.theme = this.theme === 'dark' ? 'light' : 'dark';
      save(this.theme);
      this.show(button);
      this.onChange(this.theme);
    });
    this.dark.addEventListener('change', () => {
      if (saved() !== undefined) return;
      this.theme = this.systemTheme();
      this.show(button);
      this.onChange(this.theme);
    });
  }

  private systemTheme(): Theme {
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

function saved(): Theme | undefined {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === 'light' || stored === 'dark' ? stored : undefined;
  } catch {
    // The browser blocks storage.
    return undefined;
  }
}

function save(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // The browser blocks storage: the choice is not saved.
  }
}
