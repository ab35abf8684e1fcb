// Shared by the three consumers: their arguments, and the lines of JSON in which they report to the test.

/** The relay, such as ws://localhost:2470, and the cursor to begin after. */
export const [relay, cursor] = process.argv.slice(2);

/** One event, in the form of event.ts. */
export const reportEvent = (event) => report({ event });

/** One op of a commit, from a library that hands out ops and not commits. */
export const reportOp = (op) => report({ op });

/** A fault in what the relay sent. */
export const reportFault = (error) => report({ fault: `${error?.stack ?? error} ${error?.cause?.stack ?? ""}` });

/** The connection opened or closed. */
export const reportConnection = (connection) => report({ connection });

/** An op, from its action, path and CID. */
export const describeOp = ({ action, path, cid }) => `${action} ${path} ${cid ?? "-"}`;

function report(line) {
	console.log(JSON.stringify(line));
}

process.on("uncaughtException", reportFault);
process.on("unhandledRejection", reportFault);
