import { InvalidArgumentError } from "commander";
import { isDid } from "../protocol/syntax.ts";

/** Reads an option that is a DID. @throws InvalidArgumentError */
export function did(text: string): string {
	if (isDid(text)) return text;
	throw new InvalidArgumentError("expected a DID");
}
