import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
	BigValueColorMode,
	BigValueGraphMode,
	BigValueTextMode,
	LegendDisplayMode,
	LegendPlacement,
	ReduceDataOptionsBuilder,
	SortOrder,
	TooltipDisplayMode,
	VisibilityMode,
	VizLegendOptionsBuilder,
	VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
	type DataSourceRef,
	MappingType,
	type Panel,
	ThresholdsConfigBuilder,
	ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { PanelBuilder as HeatmapBuilder, YAxisConfigBuilder } from "@grafana/grafana-foundation-sdk/heatmap";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimeseriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import type { Query } from "./query.ts";

/** The Prometheus that the dashboard's reader has chosen. */
export const DATA_SOURCE: DataSourceRef = { type: "prometheus", uid: "$datasource" };
const HEIGHT = 8;
/** Grafana divides its width into 24. */
const WIDTH = 8;
const STAT_HEIGHT = 4;
const STAT_WIDTH = 3;

/** What a panel shows. */
export interface PanelSpec {
	title: string;
	/** What to look for, for who has not seen it before. */
	description: string;
	/** One of the SDK's. */
	unit: string;
	queries: readonly Query[];
}

/** How a number is shown. */
export interface Look {
	/** The number is red below `greenFrom`, or from `redFrom` on, and else green. Without both it has no colour. */
	greenFrom?: number;
	redFrom?: number;
	/** Words that stand for numbers. */
	words?: Readonly<Record<number, string>>;
	/** Shows the names of the series, and not their numbers. */
	isName?: boolean;
}

/** Lines over time. Values begin at 0, so that a change looks as large as it is. */
export function chart({ title, description, unit, queries }: PanelSpec): Builder<Panel> {
	const legend = new VizLegendOptionsBuilder()
		.showLegend(true)
		.displayMode(LegendDisplayMode.List)
		.placement(LegendPlacement.Bottom);
	const tooltip = new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending);
	const panel = new TimeseriesBuilder()
		.title(title)
		.description(description)
		.unit(unit)
		.min(0)
		.fillOpacity(5)
		.legend(legend)
		.tooltip(tooltip)
		.datasource(DATA_SOURCE)
		.height(HEIGHT)
		.span(WIDTH);
	return queries.reduce((built, query, at) => built.withTarget(targetOf(query, at)), panel);
}

/** The latest number of each series. */
export function stat({ title, description, unit, queries }: PanelSpec, look: Look = {}): Builder<Panel> {
	const { words, isName = false } = look;
	const steps = stepsOf(look);
	const options = Object.fromEntries(Object.entries(words ?? {}).map(([number, text]) => [number, { text }]));
	const panel = new StatBuilder()
		.title(title)
		.description(description)
		.unit(unit)
		.mappings(words === undefined ? [] : [{ type: MappingType.ValueToText, options }])
		.thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
		.colorMode(steps.length === 1 ? BigValueColorMode.None : BigValueColorMode.Value)
		.graphMode(BigValueGraphMode.None)
		.textMode(isName ? BigValueTextMode.Name : BigValueTextMode.Auto)
		.reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
		.noValue(isName ? "none" : "no data")
		.datasource(DATA_SOURCE)
		.height(STAT_HEIGHT)
		.span(STAT_WIDTH);
	return queries.reduce((built, query, at) => built.withTarget(targetOf(query, at).instant()), panel);
}

/** From which number on there is which colour. The first one is the colour of all that are lower. */
function stepsOf({ greenFrom, redFrom }: Look): { value: number | null; color: string }[] {
	if (greenFrom !== undefined)
		return [
			{ value: null, color: "red" },
			{ value: greenFrom, color: "green" },
		];
	const green = { value: null, color: "green" };
	return redFrom === undefined ? [green] : [green, { value: redFrom, color: "red" }];
}

/** How the values of a histogram are spread over time. Its query has one series for each bucket. */
export function heatmap({ title, description, unit, queries }: PanelSpec): Builder<Panel> {
	const panel = new HeatmapBuilder()
		.title(title)
		.description(description)
		// Prometheus has made the buckets, whose bounds have the unit. The values are numbers of messages.
		.calculate(false)
		.yAxis(new YAxisConfigBuilder().unit(unit))
		.showValue(VisibilityMode.Never)
		.datasource(DATA_SOURCE)
		.height(HEIGHT)
		.span(WIDTH);
	return queries.reduce(
		(built, query, at) => built.withTarget(targetOf(query, at).format(PromQueryFormat.Heatmap)),
		panel,
	);
}

function targetOf({ expr, legend }: Query, at: number): DataqueryBuilder {
	return new DataqueryBuilder()
		.expr(expr)
		.legendFormat(legend)
		.refId(String.fromCharCode("A".charCodeAt(0) + at))
		.range();
}
