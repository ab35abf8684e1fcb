import { writePages } from "./generated-pages.ts";

/** `make docs`: brings the tables of the documentation up to the code. */
const written = await writePages();
console.log(written.length === 0 ? "every table is up to date" : `written: ${written.join(", ")}`);
