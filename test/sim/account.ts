export * from "../../src/sim/account.ts";
