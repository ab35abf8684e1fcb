import { reserveHeadroom, withHeadroom } from "../../src/descriptors/headroom.ts";
import { fill, open } from "./files.ts";

/** To be run with a low limit of open files. Opens files up to the limit, and prints how many of the reserve it can open then. */
const limit = reserveHeadroom();
const taken = fill(open);
withHeadroom(open);
const between = fill(open);
const ofReserve = 1 + fill(() => withHeadroom(open));
process.stdout.write(JSON.stringify({ limit, taken, between, ofReserve }));
