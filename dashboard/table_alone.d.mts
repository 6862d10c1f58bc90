import type { Plugin } from 'vite';

export declare const tableAlone: Plugin;
