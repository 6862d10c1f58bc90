/** Draws a unicorn's head for the markers: facing right, white on a transparent background. */
export function drawHead(size: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = size;
  canvas.height = size;
  const paint = canvas.getContext('2d');
  if (paint === null) return canvas;
  paint.scale(size / 64, size / 64);
  paint.fillStyle = '#fff';
  // Neck, poll, ear, forehead, nose, jaw, throat.
  paint.fill(
    new Path2D(
      'M12 60 C10 44 14 30 24 22 L25 13 L31 19 C37 20 41 23 44 28 L55 40 C57 43 56 47 52 48 C49 49 46 48 44 46 L36 43 C34 48 38 54 41 60 Z',
    ),
  );
  // The horn.
  paint.fill(new Path2D('M35 19 L56 4 L41 24 Z'));
  // The eye.
  paint.globalCompositeOperation = 'destination-out';
  paint.beginPath();
  paint.arc(37, 30, 2.4, 0, 2 * Math.PI);
  paint.fill();
  return canvas;
}
