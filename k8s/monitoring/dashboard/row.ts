import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";

/** Panels that answer one question, from left to right. */
export interface Row {
	title: string;
	panels: readonly Builder<Panel>[];
}
