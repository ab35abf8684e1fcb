import { runCommandLine } from "./cli/program.ts";
import { failControl } from "./cli/serve.ts";
import { setUpLog } from "./observe/log.ts";

setUpLog({ level: "info", format: "auto", secrets: [] });
for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, failControl);
await runCommandLine(process.argv.slice(2), process.env).catch(failControl);
