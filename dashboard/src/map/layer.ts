/**
 * The fleet on the map: trails, and markers that glide.
 *
 * The GPU computes where each marker is in each frame. The page uploads the ends and times of the
 * glides only once per batch of readings, not once per frame.
 */

import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';

import { LOW_VITALS, type Fleet } from '../fleet/fleet.ts';
import { Trails } from '../fleet/trails.ts';
import { drawHead } from './head.ts';
import { link, MARKERS, TAILS, TRAILS } from './shaders.ts';

/** How long a trail stays visible. */
const TRAIL_SECONDS = 600;
const TRAIL_WIDTH = 2.5;
/** Uploaded numbers per unicorn: glide ends (4), times (4), tail (2), whether vitals are low. */
const STRIDE = 11;
const TEXTURE_COLUMNS = 256;
/** After a frame that takes longer, fewer old trails are drawn. */
const SLOW_FRAME_MILLIS = 100;
const MIN_SEGMENTS = 256;
/** Markers smaller than this, in pixels, are plain dots. */
const MIN_SIZE_WITH_HEAD = 16;

type Colour = readonly [number, number, number];

export interface Palette {
  readonly trail: Colour;
  readonly well: Colour;
  readonly unwell: Colour;
  readonly rim: Colour;
}

/** WebGL objects, valid as long as their context. */
interface Resources {
  readonly trails: WebGLProgram;
  readonly tails: WebGLProgram;
  readonly markers: WebGLProgram;
  readonly trailArray: WebGLVertexArrayObject;
  readonly trailBuffer: WebGLBuffer;
  readonly tailArray: WebGLVertexArrayObject;
  readonly markerArray: WebGLVertexArrayObject;
  readonly unicornBuffer: WebGLBuffer;
  readonly lastReadings: WebGLTexture;
  readonly head: WebGLTexture;
  readonly uniforms: Map<string, WebGLUniformLocation | null>;
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
  private lastReadings = new Float32Array(0);
  private changed = true;
  private uploadedAt = 0;
  /** How many trail segments to draw at most, newest first. */
  private maxSegments: number;

  constructor(fleet: Fleet, palette: Palette) {
    this.fleet = fleet;
    this.palette = palette;
    this.maxSegments = fleet.trails.capacity;
  }

  /** Requests a frame that uploads the changed fleet. */
  update(): void {
    this.changed = true;
    this.map?.triggerRepaint();
  }

  /** The width of a marker, in CSS pixels: the more unicorns, the smaller. */
  markerSize(): number {
    const crowd = 34 - 6 * Math.log10(Math.max(1, this.fleet.size));
    const far = (this.map?.getZoom() ?? 10) < 6 ? 0.75 : 1;
    return Math.max(8, crowd * far);
  }

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.map = map;
    this.resources = createResources(gl, this.fleet.trails.capacity);
    this.changed = true;
    this.fleet.trails.touchAll();
  }

  onRemove(_map: MapLibre, gl: WebGL2RenderingContext): void {
    const resources = this.resources;
    this.resources = undefined;
    if (resources === undefined) return;
    for (const program of [resources.trails, resources.tails, resources.markers]) gl.deleteProgram(program);
    for (const array of [resources.trailArray, resources.tailArray, resources.markerArray]) gl.deleteVertexArray(array);
    for (const buffer of [resources.trailBuffer, resources.unicornBuffer]) gl.deleteBuffer(buffer);
    for (const texture of [resources.lastReadings, resources.head]) gl.deleteTexture(texture);
  }

  render(gl: WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    const resources = this.resources;
    const origin = this.fleet.origin;
    if (resources === undefined || origin === undefined) return;
    const now = performance.now();
    if (this.changed) this.upload(gl, resources, origin, now);

    const matrix = translated(input.defaultProjectionData.mainMatrix, origin);
    const ratio = this.map?.getPixelRatio() ?? 1;
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    const begin = (program: WebGLProgram, name: string) => {
      gl.useProgram(program);
      const location = (uniform: string) => {
        const key = `${name}.${uniform}`;
        if (!resources.uniforms.has(key)) resources.uniforms.set(key, gl.getUniformLocation(program, uniform));
        return resources.uniforms.get(key) ?? null;
      };
      gl.uniformMatrix4fv(location('u_matrix'), false, matrix);
      gl.uniform2f(location('u_viewport'), gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.uniform1f(location('u_now'), now - this.uploadedAt);
      gl.uniform1f(location('u_judged'), this.fleet.judgedAt(now) - this.uploadedAt);
      gl.uniform1f(location('u_selected'), this.selected);
      return location;
    };

    const trails = begin(resources.trails, 'trails');
    gl.uniform1f(trails('u_seconds'), this.fleet.trails.seconds(now));
    gl.uniform1f(trails('u_lifetime'), TRAIL_SECONDS);
    gl.uniform1f(trails('u_width'), TRAIL_WIDTH * ratio);
    gl.uniform3f(trails('u_colour'), ...this.palette.trail);
    gl.uniform1i(trails('u_heard'), 0);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, resources.lastReadings);
    gl.bindVertexArray(resources.trailArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, resources.trailBuffer);
    for (const [first, end] of this.fleet.trails.newest(this.maxSegments)) {
      attributes(gl, Trails.STRIDE, [4, 2], 1, first);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, end - first);
    }

    const tails = begin(resources.tails, 'tails');
    gl.uniform1f(tails('u_width'), TRAIL_WIDTH * ratio);
    gl.uniform3f(tails('u_colour'), ...this.palette.trail);
    gl.bindVertexArray(resources.tailArray);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.fleet.size);

    const markers = begin(resources.markers, 'markers');
    const size = this.markerSize();
    gl.uniform1f(markers('u_size'), size * ratio);
    gl.uniform1f(markers('u_glyphs'), size >= MIN_SIZE_WITH_HEAD ? 1 : 0);
    gl.uniform3f(markers('u_well'), ...this.palette.well);
    gl.uniform3f(markers('u_unwell'), ...this.palette.unwell);
    gl.uniform3f(markers('u_rim'), ...this.palette.rim);
    gl.uniform1i(markers('u_head'), 0);
    gl.bindTexture(gl.TEXTURE_2D, resources.head);
    gl.bindVertexArray(resources.markerArray);
    gl.drawArrays(gl.POINTS, 0, this.fleet.size);
    // Draw the selected one again, on top.
    if (this.selected >= 0) gl.drawArrays(gl.POINTS, this.selected, 1);
    gl.bindVertexArray(null);
    // This runs when the frame is done and the page is idle again.
    setTimeout(() => this.adaptTrails(performance.now() - now));
  }

  /**
   * Draws fewer trail segments after a slow frame, for example without a GPU, and more after a fast
   * one.
   */
  private adaptTrails(frameMillis: number): void {
    if (frameMillis > SLOW_FRAME_MILLIS) this.maxSegments = Math.max(MIN_SEGMENTS, Math.floor(this.maxSegments / 2));
    else this.maxSegments = Math.min(this.fleet.trails.capacity, this.maxSegments + MIN_SEGMENTS);
  }

  private upload(
    gl: WebGL2RenderingContext,
    resources: Resources,
    origin: readonly [number, number],
    now: number,
  ): void {
    this.changed = false;
    this.uploadedAt = now;
    this.fill(origin, now);
    gl.bindBuffer(gl.ARRAY_BUFFER, resources.unicornBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.columns, gl.DYNAMIC_DRAW);

    const rows = this.lastReadings.length / TEXTURE_COLUMNS;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, resources.lastReadings);
    // MapLibre may have set these for its own textures.
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, TEXTURE_COLUMNS, rows, 0, gl.RED, gl.FLOAT, this.lastReadings);

    gl.bindBuffer(gl.ARRAY_BUFFER, resources.trailBuffer);
    const trails = this.fleet.trails;
    for (const [first, end] of trails.takeDirty()) {
      const numbers = trails.data.subarray(first * Trails.STRIDE, end * Trails.STRIDE);
      gl.bufferSubData(gl.ARRAY_BUFFER, first * Trails.STRIDE * 4, numbers);
    }
  }

  private fill(origin: readonly [number, number], now: number): void {
    const { fleet } = this;
    const rows = Math.max(1, Math.ceil(fleet.size / TEXTURE_COLUMNS));
    if (this.columns.length < fleet.size * STRIDE) this.columns = new Float32Array(fleet.lastReadingAt.length * STRIDE);
    if (this.lastReadings.length < rows * TEXTURE_COLUMNS) {
      this.lastReadings = new Float32Array(rows * 2 * TEXTURE_COLUMNS);
    }
    const [originX, originY] = origin;
    const { columns, lastReadings } = this;
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const start = unicorn * STRIDE;
      const lastReading = Math.max(-1e8, (fleet.lastReadingAt[unicorn] ?? 0) - now);
      columns[start] = (fleet.fromX[unicorn] ?? NaN) - originX;
      columns[start + 1] = (fleet.fromY[unicorn] ?? NaN) - originY;
      columns[start + 2] = (fleet.toX[unicorn] ?? NaN) - originX;
      columns[start + 3] = (fleet.toY[unicorn] ?? NaN) - originY;
      columns[start + 4] = Math.max(-1e8, (fleet.glideStart[unicorn] ?? 0) - now);
      columns[start + 5] = fleet.glideMillis[unicorn] ?? 1;
      // A unicorn without a known location is not drawn.
      columns[start + 6] = Number.isNaN(fleet.toX[unicorn] ?? NaN) ? -2e8 : lastReading;
      columns[start + 7] = unicorn;
      columns[start + 8] = (fleet.tailX[unicorn] ?? NaN) - originX;
      columns[start + 9] = (fleet.tailY[unicorn] ?? NaN) - originY;
      columns[start + 10] = fleet.vitals(unicorn) < LOW_VITALS ? 1 : 0;
      lastReadings[unicorn] = lastReading;
    }
  }
}

/** The matrix for coordinates relative to `origin`. */
function translated(matrix: ArrayLike<number>, [x, y]: readonly [number, number]): Float32Array {
  const moved = Float64Array.from(matrix);
  for (let row = 0; row < 4; row += 1) {
    moved[12 + row] = (matrix[row] ?? 0) * x + (matrix[4 + row] ?? 0) * y + (matrix[12 + row] ?? 0);
  }
  return new Float32Array(moved);
}

function createResources(gl: WebGL2RenderingContext, segments: number): Resources {
  const trailBuffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, trailBuffer);
  gl.bufferData(gl.ARRAY_BUFFER, segments * Trails.STRIDE * 4, gl.DYNAMIC_DRAW);
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

  const lastReadings = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, lastReadings);
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
    lastReadings,
    head,
    uniforms: new Map(),
  };
}

/**
 * Maps the bound buffer to attributes 0, 1, … with `sizes` numbers each, starting at item `first`.
 */
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
