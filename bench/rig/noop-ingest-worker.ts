import { serveIngest } from "../../src/ingest/ingest.ts";
import { createNoopEngine } from "./noop-engine.ts";

serveIngest(createNoopEngine);
