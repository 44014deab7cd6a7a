// The roles of accounts, in words; apart from accounts.tsx, which is loaded when it is opened.
import { w, type Word } from './messages';

/** What an account of the town may be. */
export const ROLES: [string, Word][] = [['clerk', 'rClerk'], ['leader', 'rLeader'], ['admin', 'rAdmin'], ['security', 'rSecurity'], ['auditor', 'rAuditor']];
export const ALL_ROLES: [string, Word][] = [...ROLES, ['secretary', 'rSecretary'], ['command', 'rCommand']];
export const roleText = (role: string): string => w(ALL_ROLES.find(([r]) => r === role)?.[1] ?? 'role');
