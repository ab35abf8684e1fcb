/** One small chart: bars of one unit, with a common zero. */
export interface BarPanel {
	title: string;
	/** A line under the title, such as "less is better". */
	note: string;
	bars: readonly Bar[];
}

export interface Bar {
	label: string;
	/** Null if there is nothing to draw; the text says why. */
	value: number | null;
	text: string;
}

const COLUMNS = 3;
const PANEL_WIDTH = 300;
const BAR_HEIGHT = 16;
const BAR_PITCH = 24;
const LABEL_WIDTH = 76;
const VALUE_WIDTH = 58;
const MARGIN = 20;
const PANEL_TOP = 44;
const PANEL_GAP = 20;
const HEADER_HEIGHT = 36;

/** The chart has its own background, so that it can be read on a page of any colour, in light or dark mode. */
const STYLE = `
.card { fill: #ffffff; stroke: #d0d7de; } text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.head { font-size: 15px; font-weight: 600; } .title { font-weight: 600; } .note { fill: #59636e; font-size: 11px; }
.bar { fill: #8c959f; } .first { fill: #0969da; }
@media (prefers-color-scheme: dark) {
.card { fill: #0d1117; stroke: #3d444d; } text { fill: #f0f6fc; } .note { fill: #9198a1; } .bar { fill: #656c76; } .first { fill: #4493f8; }
}`;

/** Draws panels in rows of three as an SVG document. The first bar of each panel has a colour of its own. */
export function barChart(title: string, panels: readonly BarPanel[]): string {
	const panelHeight = PANEL_TOP + BAR_PITCH * Math.max(...panels.map(({ bars }) => bars.length)) + PANEL_GAP;
	const width = 2 * MARGIN + COLUMNS * PANEL_WIDTH;
	const height = 2 * MARGIN + HEADER_HEIGHT + panelHeight * Math.ceil(panels.length / COLUMNS) - PANEL_GAP;
	const drawn = panels.map((panel, at) => {
		const x = MARGIN + (at % COLUMNS) * PANEL_WIDTH;
		const y = MARGIN + HEADER_HEIGHT + Math.floor(at / COLUMNS) * panelHeight;
		return `<g transform="translate(${x} ${y})">\n${drawPanel(panel)}\n</g>`;
	});
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
<text class="head" x="${MARGIN}" y="${MARGIN + 14}">${escaped(title)}</text>
${drawn.join("\n")}
</svg>
`;
}

function drawPanel({ title, note, bars }: BarPanel): string {
	const most = Math.max(0, ...bars.map(({ value }) => value ?? 0));
	const room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH - MARGIN;
	const lines = bars.map(({ label, value, text }, at) => {
		const y = PANEL_TOP + at * BAR_PITCH;
		const length = value === null || most === 0 ? 0 : Math.max(1, (value / most) * room);
		const baseline = y + BAR_HEIGHT - 4;
		return [
			`<text x="0" y="${baseline}">${escaped(label)}</text>`,
			`<rect class="bar${at === 0 ? " first" : ""}" x="${LABEL_WIDTH}" y="${y}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
			`<text x="${(LABEL_WIDTH + length + 6).toFixed(1)}" y="${baseline}">${escaped(text)}</text>`,
		].join("");
	});
	return [
		`<text class="title" x="0" y="12">${escaped(title)}</text>`,
		`<text class="note" x="0" y="28">${escaped(note)}</text>`,
		...lines,
	].join("\n");
}

function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
