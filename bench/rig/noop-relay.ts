import { availableParallelism } from "node:os";
import { loadConfig, secretsOf } from "../../src/config/settings.ts";
import { setUpLog } from "../../src/observe/log.ts";
import { Relay } from "../../src/relay/relay.ts";

/** The relay with a no-op in place of verification. Only this entry file can start it; no setting can. */
const { config } = loadConfig([], process.env, { cores: availableParallelism() });
setUpLog({ level: config.logLevel, format: config.logFormat, secrets: secretsOf(config) });
const relay = await Relay.start(config, {
	onFailure(thread, failure) {
		console.error(thread, failure);
		process.exit(1);
	},
	ingestEntry: new URL("./noop-ingest-worker.ts", import.meta.url),
});
process.on("SIGTERM", () => void relay.drain().then(() => process.exit(0)));
