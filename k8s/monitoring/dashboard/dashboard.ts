import {
	AnnotationQueryBuilder,
	type Dashboard,
	DashboardBuilder,
	DashboardCursorSync,
	DatasourceVariableBuilder,
	QueryVariableBuilder,
	RowBuilder,
	VariableRefresh,
	VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DATA_SOURCE } from "./panel.ts";
import { series } from "./query.ts";
import type { Row } from "./row.ts";
import { consumers } from "./rows/consumers.ts";
import { health } from "./rows/health.ts";
import { hosts } from "./rows/hosts.ts";
import { identity } from "./rows/identity.ts";
import { indexDatabase } from "./rows/index-database.ts";
import { latency } from "./rows/latency.ts";
import { log } from "./rows/log.ts";
import { messages } from "./rows/messages.ts";
import { rejections } from "./rows/rejections.ts";
import { resources } from "./rows/resources.ts";

/** From what matters at once to what explains it. */
const ROWS: readonly Row[] = [
	health,
	messages,
	latency,
	rejections,
	hosts,
	consumers,
	log,
	indexDatabase,
	identity,
	resources,
];

/** The dashboard of one relay or several, for Grafana. */
export function dashboard(): Dashboard {
	const built = new DashboardBuilder("standpipe")
		.uid("standpipe")
		.description("An AT Protocol relay. docs/metrics.md has the words of each metric and what to do.")
		.tags(["standpipe", "atproto"])
		.time({ from: "now-6h", to: "now" })
		.refresh("30s")
		.timezone("browser")
		.tooltip(DashboardCursorSync.Crosshair)
		.withVariable(new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"))
		.withVariable(
			new QueryVariableBuilder("instance")
				.label("Relay")
				.datasource(DATA_SOURCE)
				.query("label_values(standpipe_build_info, instance)")
				.refresh(VariableRefresh.OnTimeRangeChanged)
				.sort(VariableSort.AlphabeticalAsc)
				.multi(true)
				.includeAll(true)
				.allValue(".+"),
		);
	built.annotation(starts());
	for (const { title, panels } of ROWS) {
		built.withRow(new RowBuilder(title));
		for (const panel of panels) built.withPanel(panel);
	}
	const all = built.build();
	// Links to single panels need ids that stay.
	for (const [at, panel] of (all.panels ?? []).entries()) panel.id = at + 1;
	return all;
}

/** A line through all charts whenever a relay started: much of what changes then is normal. */
function starts(): AnnotationQueryBuilder {
	return new AnnotationQueryBuilder()
		.name("Starts")
		.datasource(DATA_SOURCE)
		.enable(true)
		.iconColor("blue")
		.expr(`changes(${series("process_start_time_seconds", 'job="standpipe"')}[2m]) > 0`)
		.step("60s")
		.titleFormat("{{instance}} started");
}
