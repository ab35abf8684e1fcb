import { resolve } from "node:path";
import * as v from "valibot";

const PATH = resolve(import.meta.dir, "../../k8s/monitoring/standpipe.json");

const source = v.object({ type: v.string(), uid: v.string() });
const gridPos = v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() });
const query = v.pipe(
	v.object({ refId: v.string(), expr: v.string(), legendFormat: v.string() }),
	v.transform(({ refId, expr, legendFormat }) => ({ refId, expr, legend: legendFormat })),
);
const row = v.object({ type: v.literal("row"), title: v.string(), gridPos });
const unit = v.optional(v.object({ unit: v.optional(v.string(), "") }), {});
const panel = v.pipe(
	v.object({
		type: v.picklist(["timeseries", "stat", "heatmap"]),
		title: v.string(),
		description: v.string(),
		datasource: source,
		gridPos,
		targets: v.array(query),
		fieldConfig: v.object({ defaults: unit }),
		options: v.object({ yAxis: unit }),
	}),
	// What a heatmap counts has no unit. Its buckets have one.
	v.transform(({ fieldConfig, options, ...rest }) => ({
		...rest,
		unit: (rest.type === "heatmap" ? options.yAxis : fieldConfig.defaults).unit,
	})),
);
const dashboardFile = v.object({
	annotations: v.object({ list: v.array(v.object({ name: v.string(), expr: v.string(), titleFormat: v.string() })) }),
	templating: v.object({ list: v.array(v.object({ name: v.string(), type: v.string() })) }),
	panels: v.array(v.union([row, panel])),
});

/** A query of a panel, and how its series are named. */
export type DashboardQuery = v.InferOutput<typeof query>;
export type DashboardPanel = v.InferOutput<typeof panel>;

/** The dashboard as Grafana gets it: its variables, its panels and their queries, with those of annotations, and all that has a place. */
export async function readDashboard() {
	const { annotations, templating, panels: placed } = v.parse(dashboardFile, await Bun.file(PATH).json());
	const panels = placed.flatMap((one): DashboardPanel[] => (one.type === "row" ? [] : [one]));
	const ofAnnotations = annotations.list.map(({ name, expr, titleFormat }) => ({
		refId: name,
		expr,
		legend: titleFormat,
	}));
	const queries: DashboardQuery[] = [...panels.flatMap(({ targets }) => targets), ...ofAnnotations];
	return { variables: templating.list, panels, queries, placed };
}
