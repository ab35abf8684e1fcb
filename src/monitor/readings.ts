import { HOST_READINGS } from "./host-readings.ts";
import { LOG_READINGS } from "./log-readings.ts";
import { PROCESS_READINGS } from "./process-readings.ts";
import type { Reading } from "./reading.ts";
import { RELAY_READINGS } from "./relay-readings.ts";

/** Every metric that no thread counts. */
export const READINGS: readonly Reading[] = [...LOG_READINGS, ...HOST_READINGS, ...RELAY_READINGS, ...PROCESS_READINGS];
