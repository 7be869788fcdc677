import { defineConfig } from "vitest/config";

// SLIPWAY_URL is a running server, for `npm run dev`.
const target = process.env.SLIPWAY_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  build: { outDir: "dist", emptyOutDir: true, sourcemap: false, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/api": target, "/prometheus": target, "/elastic": target, "/login": target } },
  test: { include: ["src/**/*.test.ts"] },
});
