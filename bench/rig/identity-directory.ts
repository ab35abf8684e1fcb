/** A PLC directory in a process of its own. Arguments: a key as a multibase, and the number of PDSes. Prints its URL on one line. */
import { pdsOf } from "./identity-load.ts";
import { NumberedDirectory } from "./many-accounts.ts";

const [key = "", hosts = "1"] = process.argv.slice(2);
const directory = new NumberedDirectory(key, (account) => `https://${pdsOf(account, Number(hosts))}`);
console.log(JSON.stringify(directory.url));
