"""A chart as SVG: points over a logarithmic axis, with their spread."""

import math

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 30, 56, 60
# Between the axis and the first point, and after the last one.
INSET = 40

# Has its own background, so that it is legible on any page.
STYLE = """
  .back { fill: #ffffff } .grid { stroke: #d0d7de } .axis { stroke: #57606a }
  text { fill: #1f2328; font: 14px system-ui, sans-serif } .title { font-size: 17px; font-weight: 600 }
  .line { stroke: #0550ae; stroke-width: 2.5; fill: none } .dot { fill: #0550ae } .spread { stroke: #0550ae; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #8b949e } text { fill: #e6edf3 }
    .line { stroke: #79c0ff } .dot { fill: #79c0ff } .spread { stroke: #79c0ff }
  }
"""


def step(highest):
    """A round step that divides the axis into four to eight."""
    power = 10 ** math.floor(math.log10(highest / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if highest / (power * factor) <= 8)


def write(path, points, title, upwards, rightwards):
    """`points`: x, y, lowest and highest y. The x axis is logarithmic; the y axis starts at 0."""
    highest = max(high for _, _, _, high in points) * 1.1
    first, last = (math.log10(points[index][0]) for index in (0, -1))

    def across(x):
        return LEFT + INSET + (math.log10(x) - first) / (last - first) * (WIDTH - LEFT - RIGHT - 2 * INSET)

    def up(y):
        return HEIGHT - BOTTOM - y / highest * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="30">{title}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">{rightwards}</text>',
        f'<text transform="translate(22 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">{upwards}</text>',
    ]
    mark, by = 0.0, step(highest)
    while mark <= highest:
        kind = "grid" if mark else "axis"
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{up(mark) + 5:.1f}" text-anchor="end">{mark:,.0f}</text>')
        mark += by
    line = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y, _, _ in points)
    parts.append(f'<polyline class="line" points="{line}"/>')
    for x, y, low, high in points:
        at = f"{across(x):.1f}"
        parts.append(f'<line class="spread" x1="{at}" x2="{at}" y1="{up(low):.1f}" y2="{up(high):.1f}"/>')
        parts.append(f'<circle class="dot" cx="{at}" cy="{up(y):.1f}" r="4.5"/>')
        parts.append(f'<text x="{at}" y="{up(high) - 12:.1f}" text-anchor="middle">{y:,.0f}</text>')
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{x:,}</text>')
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
