export * from "../../src/sim/message.ts";
