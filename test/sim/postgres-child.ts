// Run by postgres.test.ts: starts a server, says where it is, and waits for the end.
import { sharedPostgres } from "./postgres.ts";

const server = await sharedPostgres();
if (process.argv.includes("--frozen")) await server.freeze();
console.log(server.folder);
await Promise.withResolvers<never>().promise;
