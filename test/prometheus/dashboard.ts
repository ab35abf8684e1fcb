import { resolve } from "node:path";
import * as v from "valibot";

const PATH = resolve(import.meta.dir, "../../k8s/monitoring/standpipe.json");

const source = v.object({ type: v.string(), uid: v.string() });
const gridPos = v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() });
const query = v.pipe(
	v.object({ refId: v.string(), expr: v.string(), legendFormat: v.string() }),
	v.transform(({ refId, expr, legendFormat }) => ({ refId, expr, legend: legendFormat })),
);
const row = v.object({ type: v.literal("row"), id: v.number(), title: v.string(), gridPos });
const panel = v.object({
	type: v.picklist(["timeseries", "stat", "heatmap"]),
	id: v.number(),
	title: v.string(),
	description: v.string(),
	datasource: source,
	gridPos,
	targets: v.array(query),
	fieldConfig: v.object({ defaults: v.object({ unit: v.string() }) }),
});
const dashboardFile = v.object({
	templating: v.object({ list: v.array(v.object({ name: v.string(), type: v.string() })) }),
	panels: v.array(v.variant("type", [row, panel])),
});

/** A query of a panel, and how its series are named. */
export type DashboardQuery = v.InferOutput<typeof query>;
export type DashboardPanel = v.InferOutput<typeof panel>;

/** The dashboard as Grafana gets it: its variables, its panels, and all that has a place in it. */
export async function readDashboard() {
	const { templating, panels } = v.parse(dashboardFile, await Bun.file(PATH).json());
	return {
		variables: templating.list,
		panels: panels.flatMap((one): DashboardPanel[] => (one.type === "row" ? [] : [one])),
		placed: panels,
	};
}
