import { writeFiles } from "./generated-files.ts";

/** `make monitoring`: writes what is made from the rules and from the dashboard's code. */
const written = await writeFiles();
console.log(
	written.length === 0 ? "k8s/monitoring is up to date" : `written below k8s/monitoring: ${written.join(", ")}`,
);
