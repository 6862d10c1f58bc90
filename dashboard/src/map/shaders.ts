/** The shaders for markers and trails. Colours are premultiplied, as MapLibre expects. */

import { FADE_MILLIS, SILENT_MILLIS, SILENT_OPACITY } from '../fleet/fleet.ts';

/** Shared by all vertex shaders. Times are milliseconds since the columns were uploaded. */
const COMMON = `#version 300 es
precision highp float;
uniform mat4 u_matrix;
uniform vec2 u_viewport;
uniform float u_now;
uniform float u_judged;
uniform float u_selected;

const float SILENT = float(${SILENT_MILLIS});
const float FADE = float(${FADE_MILLIS});

float strength(float heard) {
  return clamp(1.0 - (u_judged - heard - SILENT) / FADE, 0.0, 1.0);
}

vec2 glided(vec2 from, vec2 to, vec2 glide) {
  return mix(from, to, clamp((u_now - glide.x) / glide.y, 0.0, 1.0));
}
`;

/** A corner of a line's rectangle: two at each end. */
const LINE = `
vec4 corner(vec2 from, vec2 to, float width) {
  vec4 first = u_matrix * vec4(from, 0.0, 1.0);
  vec4 last = u_matrix * vec4(to, 0.0, 1.0);
  vec2 along = (last.xy / last.w - first.xy / first.w) * u_viewport;
  float length_ = length(along);
  along = length_ > 0.0001 ? along / length_ : vec2(1.0, 0.0);
  vec4 end = gl_VertexID < 2 ? first : last;
  float side = float(gl_VertexID & 1) * 2.0 - 1.0;
  float out_ = gl_VertexID < 2 ? -1.0 : 1.0;
  vec2 offset = (vec2(-along.y, along.x) * side + along * out_ * 0.5) * width / u_viewport;
  return vec4(end.xy + offset * end.w, end.zw);
}
`;

const LINE_COLOUR = `#version 300 es
precision mediump float;
uniform vec3 u_colour;
in float v_strength;
out vec4 colour;
void main() {
  colour = vec4(u_colour, 1.0) * v_strength;
}
`;

/** Fixed trail segments. They fade with age, and once their unicorn is silent. */
export const TRAILS = {
  vertex: `${COMMON}${LINE}
uniform float u_seconds;
uniform float u_lifetime;
uniform float u_width;
uniform sampler2D u_heard;
layout(location = 0) in vec4 a_line;
layout(location = 1) in vec2 a_birth;
out float v_strength;
void main() {
  int unicorn = int(a_birth.y);
  int columns = textureSize(u_heard, 0).x;
  float heard = texelFetch(u_heard, ivec2(unicorn % columns, unicorn / columns), 0).r;
  float age = (u_seconds - a_birth.x) / u_lifetime;
  float chosen = a_birth.y == u_selected ? 1.0 : 0.0;
  v_strength = clamp(1.0 - age, 0.0, 1.0) * strength(heard) * mix(0.55, 1.0, chosen);
  gl_Position = v_strength > 0.0 ? corner(a_line.xy, a_line.zw, u_width * mix(1.0, 1.6, chosen)) : vec4(2.0, 2.0, 2.0, 1.0);
}
`,
  fragment: LINE_COLOUR,
};

/** The segment between a trail's end and its marker. */
export const TAILS = {
  vertex: `${COMMON}${LINE}
uniform float u_width;
layout(location = 0) in vec4 a_way;
layout(location = 1) in vec4 a_times;
layout(location = 2) in vec2 a_tail;
out float v_strength;
void main() {
  float chosen = a_times.w == u_selected ? 1.0 : 0.0;
  v_strength = strength(a_times.z) * mix(0.55, 1.0, chosen);
  vec2 here = glided(a_way.xy, a_way.zw, a_times.xy);
  gl_Position = v_strength > 0.0 ? corner(a_tail, here, u_width * mix(1.0, 1.6, chosen)) : vec4(2.0, 2.0, 2.0, 1.0);
}
`,
  fragment: LINE_COLOUR,
};

/** One disc per unicorn, with a head on it if it is large enough. */
export const MARKERS = {
  vertex: `${COMMON}
uniform float u_size;
layout(location = 0) in vec4 a_way;
layout(location = 1) in vec4 a_times;
layout(location = 2) in vec2 a_tail;
layout(location = 3) in float a_low;
out float v_strength;
out float v_low;
out float v_chosen;
out float v_size;
void main() {
  // Only one without a location is not drawn.
  v_strength = a_times.z > -1.5e8 ? mix(float(${SILENT_OPACITY}), 1.0, strength(a_times.z)) : 0.0;
  v_low = a_low;
  v_chosen = a_times.w == u_selected ? 1.0 : 0.0;
  v_size = u_size * mix(1.0, 1.35, v_chosen);
  vec2 here = glided(a_way.xy, a_way.zw, a_times.xy);
  gl_Position = v_strength > 0.0 ? u_matrix * vec4(here, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = v_size;
}
`,
  fragment: `#version 300 es
precision mediump float;
uniform vec3 u_well;
uniform vec3 u_unwell;
uniform vec3 u_rim;
uniform float u_glyphs;
uniform sampler2D u_head;
in float v_strength;
in float v_low;
in float v_chosen;
in float v_size;
out vec4 colour;
void main() {
  vec2 point = gl_PointCoord * 2.0 - 1.0;
  float radius = length(point);
  float soft = 2.0 / v_size;
  float disc = 1.0 - smoothstep(1.0 - soft, 1.0, radius);
  float width = min(4.5 / v_size, 0.22);
  float rim = smoothstep(1.0 - width - soft, 1.0 - width, radius);
  vec3 fill = mix(u_well, u_unwell, v_low);
  float head = texture(u_head, gl_PointCoord * 1.3 - 0.15).a * u_glyphs;
  vec3 paint = mix(mix(fill, vec3(1.0), head), mix(u_rim, vec3(1.0, 0.85, 0.2), v_chosen), rim);
  colour = vec4(paint, 1.0) * disc * v_strength;
}
`,
};

/**
 * Compiles and links a program.
 *
 * Throws an error with the compiler's message, which means a bug in a shader or a driver.
 */
export function link(gl: WebGL2RenderingContext, source: { vertex: string; fragment: string }): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, source.vertex], [gl.FRAGMENT_SHADER, source.fragment]] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) throw new Error('the browser could not create a shader');
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error(gl.getShaderInfoLog(shader) ?? 'a shader failed to compile');
    }
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(program) ?? 'a shader program failed to link');
  }
  return program;
}
