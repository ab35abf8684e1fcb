/** The relays that the dashboard's reader has chosen. */
const CHOSEN = 'instance=~"$instance"';

/** A query of a panel, and how it names each of its series. */
export interface Query {
	expr: string;
	legend: string;
}

/** The series of a metric. `labels` are further matchers, such as `engine="native"`. */
export function series(metric: string, ...labels: readonly string[]): string {
	return `${metric}{${[CHOSEN, ...labels].join(",")}}`;
}

/** A metric of all chosen relays together, one series for each value of a label if one is given. */
export function sum(metric: string, by?: string): string {
	return `${sumBy(by)}(${series(metric)})`;
}

/** By how much a counter grows in a second, of all chosen relays together. */
export function rate(metric: string, by?: string): string {
	return `${sumBy(by)}(rate(${series(metric)}[$__rate_interval]))`;
}

/** A quantile of a histogram, over all chosen relays. */
export function quantile(share: number, metric: string, by?: string): string {
	const labels = by === undefined ? "le" : `le, ${by}`;
	return `histogram_quantile(${share}, sum by (${labels}) (rate(${series(`${metric}_bucket`)}[$__rate_interval])))`;
}

function sumBy(label: string | undefined): string {
	return label === undefined ? "sum" : `sum by (${label}) `;
}
