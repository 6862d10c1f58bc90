/**
 * The fleet on the map: trails, and markers that glide.
 *
 * The graphics card works out where every marker is at the moment it draws: the page uploads where a glide starts and
 * ends and when, once for each batch of readings, and not once a frame.
 */

import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';

import { LOW_VITALS, type Fleet } from '../fleet/fleet.ts';
import { Trails } from '../fleet/trails.ts';
import { drawHead } from './head.ts';
import { link, MARKERS, TAILS, TRAILS } from './shaders.ts';

/** A trail is gone after so long. */
const TRAIL_SECONDS = 600;
const TRAIL_WIDTH = 2.5;
/** Numbers a unicorn in the uploaded columns: way (4), times (4), tail (2), whether vitals are low. */
const STRIDE = 11;
const TEXTURE_COLUMNS = 256;
/** A frame that takes longer leaves out old trails. */
const SLOW_FRAME_MILLIS = 100;
const FEWEST_PIECES = 256;
/** Below this size in pixels a marker is a dot. */
const SMALLEST_WITH_HEAD = 16;

type Colour = readonly [number, number, number];

export interface Palette {
  readonly trail: Colour;
  readonly well: Colour;
  readonly unwell: Colour;
  readonly rim: Colour;
}

/** What was made in a graphics context, and goes with it. */
interface Resources {
  readonly trails: WebGLProgram;
  readonly tails: WebGLProgram;
  readonly markers: WebGLProgram;
  readonly trailArray: WebGLVertexArrayObject;
  readonly trailBuffer: WebGLBuffer;
  readonly tailArray: WebGLVertexArrayObject;
  readonly markerArray: WebGLVertexArrayObject;
  readonly unicornBuffer: WebGLBuffer;
  readonly heard: WebGLTexture;
  readonly head: WebGLTexture;
  readonly places: Map<string, WebGLUniformLocation | null>;
}

export class FleetLayer implements CustomLayerInterface {
  readonly id = 'fleet';
  readonly type = 'custom';
  selected = -1;

  private readonly fleet: Fleet;
  private readonly palette: Palette;
  private map: MapLibre | undefined;
  private resources: Resources | undefined;
  private columns = new Float32Array(0);
  private heard = new Float32Array(0);
  private changed = true;
  private uploadedAt = 0;
  /** How many pieces of trails are drawn at most: the newest. */
  private pieces: number;

  constructor(fleet: Fleet, palette: Palette) {
    this.fleet = fleet;
    this.palette = palette;
    this.pieces = fleet.trails.capacity;
  }

  /** The fleet has changed: uploads it with the next frame, and asks for one. */
  update(): void {
    this.changed = true;
    this.map?.triggerRepaint();
  }

  /** How wide a marker is, in CSS pixels: the more unicorns, the smaller. */
  markerSize(): number {
    const crowd = 34 - 6 * Math.log10(Math.max(1, this.fleet.size));
    const far = (this.map?.getZoom() ?? 10) < 6 ? 0.75 : 1;
    return Math.max(8, crowd * far);
  }

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.map = map;
    this.resources = make(gl, this.fleet.trails.capacity);
    this.changed = true;
    this.fleet.trails.touchAll();
  }

  onRemove(_map: MapLibre, gl: WebGL2RenderingContext): void {
    const made = this.resources;
    this.resources = undefined;
    if (made === undefined) return;
    for (const program of [made.trails, made.tails, made.markers]) gl.deleteProgram(program);
    for (const array of [made.trailArray, made.tailArray, made.markerArray]) gl.deleteVertexArray(array);
    for (const buffer of [made.trailBuffer, made.unicornBuffer]) gl.deleteBuffer(buffer);
    for (const texture of [made.heard, made.head]) gl.deleteTexture(texture);
  }

  render(gl: WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    const made = this.resources;
    const origin = this.fleet.origin;
    if (made === undefined || origin === undefined) return;
    const now = performance.now();
    if (this.changed) this.upload(gl, made, origin, now);

    const matrix = movedTo(input.defaultProjectionData.mainMatrix, origin);
    const ratio = this.map?.getPixelRatio() ?? 1;
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    const begin = (program: WebGLProgram, name: string) => {
      gl.useProgram(program);
      const place = (uniform: string) => {
        const key = `${name}.${uniform}`;
        if (!made.places.has(key)) made.places.set(key, gl.getUniformLocation(program, uniform));
        return made.places.get(key) ?? null;
      };
      gl.uniformMatrix4fv(place('u_matrix'), false, matrix);
      gl.uniform2f(place('u_viewport'), gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.uniform1f(place('u_now'), now - this.uploadedAt);
      gl.uniform1f(place('u_selected'), this.selected);
      return place;
    };

    const trails = begin(made.trails, 'trails');
    gl.uniform1f(trails('u_seconds'), this.fleet.trails.seconds(now));
    gl.uniform1f(trails('u_lifetime'), TRAIL_SECONDS);
    gl.uniform1f(trails('u_width'), TRAIL_WIDTH * ratio);
    gl.uniform3f(trails('u_colour'), ...this.palette.trail);
    gl.uniform1i(trails('u_heard'), 0);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, made.heard);
    gl.bindVertexArray(made.trailArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, made.trailBuffer);
    for (const [first, end] of this.fleet.trails.newest(this.pieces)) {
      attributes(gl, Trails.STRIDE, [4, 2], 1, first);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, end - first);
    }

    const tails = begin(made.tails, 'tails');
    gl.uniform1f(tails('u_width'), TRAIL_WIDTH * ratio);
    gl.uniform3f(tails('u_colour'), ...this.palette.trail);
    gl.bindVertexArray(made.tailArray);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.fleet.size);

    const markers = begin(made.markers, 'markers');
    const size = this.markerSize();
    gl.uniform1f(markers('u_size'), size * ratio);
    gl.uniform1f(markers('u_glyphs'), size >= SMALLEST_WITH_HEAD ? 1 : 0);
    gl.uniform3f(markers('u_well'), ...this.palette.well);
    gl.uniform3f(markers('u_unwell'), ...this.palette.unwell);
    gl.uniform3f(markers('u_rim'), ...this.palette.rim);
    gl.uniform1i(markers('u_head'), 0);
    gl.bindTexture(gl.TEXTURE_2D, made.head);
    gl.bindVertexArray(made.markerArray);
    gl.drawArrays(gl.POINTS, 0, this.fleet.size);
    // Once more, on top of all.
    if (this.selected >= 0) gl.drawArrays(gl.POINTS, this.selected, 1);
    gl.bindVertexArray(null);
    // The frame is over, and the page free again, when this comes round.
    setTimeout(() => this.afford(performance.now() - now));
  }

  /** Draws fewer pieces of trails where a frame took long, as it does without a graphics card. */
  private afford(frameMillis: number): void {
    if (frameMillis > SLOW_FRAME_MILLIS) this.pieces = Math.max(FEWEST_PIECES, Math.floor(this.pieces / 2));
    else this.pieces = Math.min(this.fleet.trails.capacity, this.pieces + FEWEST_PIECES);
  }

  private upload(gl: WebGL2RenderingContext, made: Resources, origin: readonly [number, number], now: number): void {
    this.changed = false;
    this.uploadedAt = now;
    this.fill(origin, now);
    gl.bindBuffer(gl.ARRAY_BUFFER, made.unicornBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.columns, gl.DYNAMIC_DRAW);

    const rows = this.heard.length / TEXTURE_COLUMNS;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, made.heard);
    // MapLibre leaves these as its own textures need them.
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, TEXTURE_COLUMNS, rows, 0, gl.RED, gl.FLOAT, this.heard);

    gl.bindBuffer(gl.ARRAY_BUFFER, made.trailBuffer);
    const trails = this.fleet.trails;
    for (const [first, end] of trails.takeDirty()) {
      const numbers = trails.data.subarray(first * Trails.STRIDE, end * Trails.STRIDE);
      gl.bufferSubData(gl.ARRAY_BUFFER, first * Trails.STRIDE * 4, numbers);
    }
  }

  private fill(origin: readonly [number, number], now: number): void {
    const { fleet } = this;
    const rows = Math.max(1, Math.ceil(fleet.size / TEXTURE_COLUMNS));
    if (this.columns.length < fleet.size * STRIDE) this.columns = new Float32Array(fleet.heardAt.length * STRIDE);
    if (this.heard.length < rows * TEXTURE_COLUMNS) this.heard = new Float32Array(rows * 2 * TEXTURE_COLUMNS);
    const [originX, originY] = origin;
    const { columns, heard } = this;
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const start = unicorn * STRIDE;
      const lastHeard = Math.max(-1e8, (fleet.heardAt[unicorn] ?? 0) - now);
      columns[start] = (fleet.fromX[unicorn] ?? NaN) - originX;
      columns[start + 1] = (fleet.fromY[unicorn] ?? NaN) - originY;
      columns[start + 2] = (fleet.toX[unicorn] ?? NaN) - originX;
      columns[start + 3] = (fleet.toY[unicorn] ?? NaN) - originY;
      columns[start + 4] = Math.max(-1e8, (fleet.glideStart[unicorn] ?? 0) - now);
      columns[start + 5] = fleet.glideMillis[unicorn] ?? 1;
      // One that never said where it is, is not drawn.
      columns[start + 6] = Number.isNaN(fleet.toX[unicorn] ?? NaN) ? -1e8 : lastHeard;
      columns[start + 7] = unicorn;
      columns[start + 8] = (fleet.tailX[unicorn] ?? NaN) - originX;
      columns[start + 9] = (fleet.tailY[unicorn] ?? NaN) - originY;
      columns[start + 10] = fleet.vitals(unicorn) < LOW_VITALS ? 1 : 0;
      heard[unicorn] = lastHeard;
    }
  }
}

/** The matrix for positions that are given from `origin`. */
function movedTo(matrix: ArrayLike<number>, [x, y]: readonly [number, number]): Float32Array {
  const moved = Float64Array.from(matrix);
  for (let row = 0; row < 4; row += 1) {
    moved[12 + row] = (matrix[row] ?? 0) * x + (matrix[4 + row] ?? 0) * y + (matrix[12 + row] ?? 0);
  }
  return new Float32Array(moved);
}

function make(gl: WebGL2RenderingContext, pieces: number): Resources {
  const trailBuffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, trailBuffer);
  gl.bufferData(gl.ARRAY_BUFFER, pieces * Trails.STRIDE * 4, gl.DYNAMIC_DRAW);
  const trailArray = gl.createVertexArray();
  gl.bindVertexArray(trailArray);
  attributes(gl, Trails.STRIDE, [4, 2], 1);

  const unicornBuffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, unicornBuffer);
  const tailArray = gl.createVertexArray();
  gl.bindVertexArray(tailArray);
  attributes(gl, STRIDE, [4, 4, 2], 1);
  const markerArray = gl.createVertexArray();
  gl.bindVertexArray(markerArray);
  attributes(gl, STRIDE, [4, 4, 2, 1], 0);
  gl.bindVertexArray(null);

  const heard = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, heard);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const head = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, head);
  gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, drawHead(64));
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);

  return {
    trails: link(gl, TRAILS),
    tails: link(gl, TAILS),
    markers: link(gl, MARKERS),
    trailArray,
    trailBuffer,
    tailArray,
    markerArray,
    unicornBuffer,
    heard,
    head,
    places: new Map(),
  };
}

/** Lays out the bound buffer's numbers as attributes 0, 1, ..., of so many numbers each, from its item `first` on. */
function attributes(
  gl: WebGL2RenderingContext,
  stride: number,
  sizes: readonly number[],
  divisor: number,
  first = 0,
): void {
  let offset = first * stride;
  sizes.forEach((size, index) => {
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, size, gl.FLOAT, false, stride * 4, offset * 4);
    gl.vertexAttribDivisor(index, divisor);
    offset += size;
  });
}
