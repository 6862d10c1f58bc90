import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FILE = 'LICENSES.md';

/**
 * Vite plugins that put the licences of all packages in the page, its workers' included, into `LICENSES.md`. Vite's own
 * `build.license` leaves the workers out.
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
    // Workers are built before the page that starts them is written.
    worker: () => [{ name: 'licences-of-workers', generateBundle: (_options, bundle) => collect(bundle) }],
  };
}

/** The folders of the packages that the modules are of, by name and version. */
function packages(modules) {
  const found = new Map();
  for (const id of modules) {
    if (!id.includes('/node_modules/')) continue;
    let folder = dirname(id);
    // A folder inside a package may have a package.json that gives no version.
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

/** Each licence's text once, under the packages that have it. */
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
  return `# Licences of what the page is made of\n\n${sections.join('\n')}`;
}
