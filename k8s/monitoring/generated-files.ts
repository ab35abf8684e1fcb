import { join } from "node:path";
import { dashboard } from "./dashboard/dashboard.ts";

const FOLDER = import.meta.dir;
const NOTE = "# Generated from rules.yaml: change that, and run `make monitoring`.";

/** A file here that is made from others. */
export interface GeneratedFile {
	/** Relative to this folder. */
	path: string;
	text: () => Promise<string>;
}

export const GENERATED_FILES: readonly GeneratedFile[] = [
	{ path: "prometheus-rule.yaml", text: async () => prometheusRule(await Bun.file(join(FOLDER, "rules.yaml")).text()) },
	{ path: "standpipe.json", text: async () => `${JSON.stringify(dashboard(), null, 2)}\n` },
];

/** The rules as an object of the Prometheus operator. Its spec is what a file of rules has. */
export function prometheusRule(rules: string): string {
	const lines = rules.trimEnd().split("\n");
	// A comment at the beginning is for who uses the file itself.
	const spec = lines.slice(lines.findIndex((line) => !line.startsWith("#")));
	const head = [
		"apiVersion: monitoring.coreos.com/v1",
		"kind: PrometheusRule",
		"metadata:",
		"  name: standpipe",
		"spec:",
	];
	return `${[NOTE, ...head, ...spec.map((line) => (line === "" ? "" : `  ${line}`))].join("\n")}\n`;
}

/** Writes each file anew whose text is another one. Returns their paths. */
export async function writeFiles(): Promise<string[]> {
	const written: string[] = [];
	for (const { path, text } of GENERATED_FILES) {
		const file = Bun.file(join(FOLDER, path));
		const wanted = await text();
		if ((await file.exists()) && (await file.text()) === wanted) continue;
		await Bun.write(file, wanted);
		written.push(path);
	}
	return written;
}
