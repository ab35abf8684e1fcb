import { loadConfig, secretsOf } from "../../src/config/settings.ts";
import { setUpLog } from "../../src/observe/log.ts";
import { Relay } from "../../src/relay/relay.ts";
import type { Failure } from "../../src/runtime/thread.ts";

/** The relay with an engine that has a fault. Only this entry file uses that engine. */
const { config } = loadConfig([], process.env, { cores: 2 });
setUpLog({ level: config.logLevel, format: config.logFormat, secrets: secretsOf(config) });
const fail = (thread: string, failure: Failure): never => {
	console.error(thread, failure);
	process.exit(1);
};
const relay = await Relay.start(config, {
	onFailure: fail,
	ingestEntry: new URL("./faulty-ingest-worker.ts", import.meta.url),
});
process.on("SIGTERM", () => void relay.drain().then(() => process.exit(0)));
