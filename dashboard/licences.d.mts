import type { Plugin } from 'vite';

export function licences(): { page: Plugin; worker: () => Plugin[] };
