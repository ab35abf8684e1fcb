// dashboard/assets/: what the page loads: its script, its styles, its icon. Files of text, which the binary embeds.

declare module "*.css" {
	const text: string;
	export default text;
}

declare module "*.svg" {
	const text: string;
	export default text;
}

declare module "*/client.js" {
	const text: string;
	export default text;
}

declare module "uplot/dist/uPlot.iife.min.js" {
	const text: string;
	export default text;
}
