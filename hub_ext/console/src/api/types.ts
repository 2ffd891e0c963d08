/** The service's bodies, by the names that the service has for them. */
import type { components } from './generated';

type Schemas = components['schemas'];

export type Budget = Schemas['BudgetInfo'];
export type CarbonFactors = Schemas['CarbonFactors'];
export type Card = Schemas['GpuInfo'];
export type CardsChanged = Schemas['CardsChanged'];
export type ClosingRequest = Schemas['ClosingRequest'];
export type EvictionRequest = Schemas['EvictionRequest'];
export type GroupShare = Schemas['GroupShare'];
export type Job = Schemas['JobInfo'];
export type KindHours = Schemas['KindHours'];
export type Lending = Schemas['LendingState'];
export type LimitsReport = Schemas['LimitsReport'];
export type Loan = Schemas['Loan'];
export type Problem = Schemas['Problem'];
export type ProposedLimit = Schemas['ProposedLimit'];
export type RefusalSum = Schemas['RefusalSum'];
export type RightLine = Schemas['RightLine'];
export type Share = Schemas['Share'];
export type Slice = Schemas['SliceInfo'];
export type Topic = Schemas['Topic'];
export type TopicsChanged = Schemas['TopicsChanged'];
export type TypeShare = Schemas['TypeShare'];
export type UseReport = Schemas['UseReport'];
export type UseRow = Schemas['UseRow'];
export type WaitedReport = Schemas['WaitedReport'];
export type WaitedRow = Schemas['WaitedRow'];
export type WaitForOwner = Schemas['WaitForOwner'];
export type Waiting = Schemas['Waiting'];
export type Waits = Schemas['WaitsReport'];
export type WaitSum = Schemas['WaitSum'];
