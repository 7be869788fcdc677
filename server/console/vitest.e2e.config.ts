import { defineConfig } from "vitest/config";

// The browser tests: SLIPWAY_URL and SLIPWAY_TOKEN name a running server.
// A test of a fixture takes seconds; one of a whole server waits for pods.
const patience = process.env.SLIPWAY_URL ? 420_000 : 60_000;

export default defineConfig({ test: { include: ["e2e/*.test.ts"], testTimeout: patience, hookTimeout: patience, fileParallelism: false } });
