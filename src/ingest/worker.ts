import { createPortableEngine } from "../verify/portable/engine.ts";
import { serveIngest } from "./ingest.ts";

serveIngest(createPortableEngine);
