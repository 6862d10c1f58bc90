/**
 * Characters that change how the text around them is shown, or cannot be seen: the controls C0, DEL
 * and C1, separators of lines, the controls of direction, and the byte order mark.
 */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text with control characters as escapes, such as `\u202E`: all that can be seen of it is it. */
export function visible(text: string): string {
  return text.replace(CONTROLS, (control) => `\\u${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`);
}
