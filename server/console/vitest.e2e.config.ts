import { defineConfig } from "vitest/config";

// The browser tests: SLIPWAY_URL and SLIPWAY_TOKEN name a running server.
export default defineConfig({ test: { include: ["e2e/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false } });
