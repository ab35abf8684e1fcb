import { logOf } from "../observe/log.ts";
import { counter } from "../observe/metric.ts";
import { selectEngine } from "../verify/select.ts";
import { serveIngest } from "./ingest.ts";

const enginePanics = counter(
	"engine_panics_total",
	"messages on which the native engine failed, and which the portable one judged",
	"If it is not 0, report it: the native engine has a fault. The message was judged all the same.",
);

serveIngest((choice, counters) => {
	const { engine, note, isFallback } = selectEngine(choice, () => counters.add(enginePanics));
	const log = logOf("verify");
	if (isFallback) log.warning(note);
	else log.info(note);
	return engine;
});
