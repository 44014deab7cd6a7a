// What this page says: [Chinese, English].
import { lang } from '@common/i18n';

const messages = {
  title: ['请选择村', 'Choose a village'],
  text: ['这台电脑上有下面几个村。每个村的数据、账号、U盘和备份都各归各的。', 'This PC has these villages. Each has its own data, accounts, sticks and backups.'],
  open: ['进入', 'Open'],
  none: ['这台电脑上还没有村。', 'There is no village on this PC yet.'],
  noneText: ['请技术人员用镇里给的入网文件登记：lastmile-node enrol 入网文件 --data 文件夹/村名。登记好以后这里会自动出现。', 'Enrol one with the kit that the town gave: lastmile-node enrol KIT --data FOLDER/NAME. It appears here by itself.'],
  down: ['没有运行', 'Does not run'],
  silent: ['没有回应', 'Does not answer'],
  starting: ['正在启动', 'Starting'],
  gone: ['本机程序没有运行，看不到各村的情况。请重新启动电脑，或联系镇里。', 'The program on this PC does not answer. Restart the PC or call the town.'],
} as const;

export function v(key: keyof typeof messages): string {
  return messages[key][lang() === 'zh' ? 0 : 1];
}
