import { logOf } from "../observe/log.ts";
import { selectEngine } from "../verify/select.ts";
import { serveIngest } from "./ingest.ts";

serveIngest((choice, counters) => {
	const { engine, note, isFallback } = selectEngine(choice, () => counters.add("engine_panics_total"));
	const log = logOf("verify");
	if (isFallback) log.warning(note);
	else log.info(note);
	return engine;
});
