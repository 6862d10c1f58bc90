import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FILE = 'LICENSES.md';

/**
 * Vite plugins that write the licences of all packages in the page and its workers to
 * `LICENSES.md`. Vite's own `build.license` omits the workers.
 */
export function licences() {
  const modules = new Set();
  const collect = (bundle) => {
    for (const chunk of Object.values(bundle)) {
      for (const id of chunk.moduleIds ?? []) modules.add(id.replace(/[?\0].*/, ''));
    }
  };
  return {
    page: {
      name: 'licences',
      generateBundle(_options, bundle) {
        collect(bundle);
        this.emitFile({ type: 'asset', fileName: FILE, source: text(packages(modules)) });
      },
    },
    // Vite builds workers before it writes the page.
    worker: () => [{ name: 'licences-of-workers', generateBundle: (_options, bundle) => collect(bundle) }],
  };
}

/** The packages of the modules: title (name and version), and folder and licence. */
function packages(modules) {
  const found = new Map();
  for (const id of modules) {
    if (!id.includes('/node_modules/')) continue;
    let folder = dirname(id);
    // Folders inside a package may have a package.json without a version.
    while (!manifest(folder)?.version) folder = dirname(folder);
    const { name, version, license } = manifest(folder);
    found.set(`${name} ${version}`, { folder, license });
  }
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1));
}

function manifest(folder) {
  const file = join(folder, 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Lists each licence text once, under the packages that use it. */
function text(found) {
  const byText = new Map();
  for (const [title, { folder, license }] of found) {
    const names = readdirSync(folder).filter((name) => /^(licen[cs]e|notice)/i.test(name)).sort();
    const texts = names.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim());
    const key = texts.join('\n\n') || `Licence: ${license}`;
    byText.set(key, [...(byText.get(key) ?? []), `${title} (${license})`]);
  }
  const sections = [...byText].map(([licence, titles]) => {
    const quoted = licence.split('\n').map((line) => `    ${line}`.trimEnd()).join('\n');
    return `## ${titles.join(', ')}\n\n${quoted}\n`;
  });
  return `# Licences of the packages in this page\n\n${sections.join('\n')}`;
}
