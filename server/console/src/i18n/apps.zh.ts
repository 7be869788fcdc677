import type { apps as en } from "./apps.en";

// 应用页面的文字。
export const apps: Record<keyof typeof en, string> = {
  anyHealth: "任意健康状况",
  anySync: "任意同步状态",
  anyRepository: "任意代码仓库",
  allNamespaces: "所有命名空间",
  namespaceShort: "命名空间",
  noneMatch: "没有匹配的应用。",
  nothingFails: "全部 {n} 个应用均健康，且没有同步失败。",
  someFail: "{total} 个应用中有 {n} 个需要处理。",
};
