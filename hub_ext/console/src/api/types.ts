/** The service's bodies, by the names that the service has for them. */
import type { components } from './generated';

type Schemas = components['schemas'];

export type Card = Schemas['GpuInfo'];
export type CardsChanged = Schemas['CardsChanged'];
export type ClosingRequest = Schemas['ClosingRequest'];
export type EvictionRequest = Schemas['EvictionRequest'];
export type ExceptionInfo = Schemas['ExceptionInfo'];
export type Excess = Schemas['ExcessInfo'];
export type GroupNode = Schemas['GroupNode'];
export type GroupShare = Schemas['GroupShare'];
export type Budget = Schemas['BudgetInfo'];
export type Job = Schemas['JobInfo'];
export type Lending = Schemas['LendingState'];
export type Problem = Schemas['Problem'];
export type QuotaCalendar = Schemas['QuotaCalendar'];
export type QuotaCheck = Schemas['QuotaCheck'];
export type QuotaInForce = Schemas['QuotaInForce'];
export type QuotaPreview = Schemas['QuotaPreviewInfo'];
export type QuotaTree = Schemas['QuotaTree'];
export type ReservationInfo = Schemas['ReservationInfo'];
export type RevisionInfo = Schemas['RevisionInfo'];
export type RevisionText = Schemas['RevisionText'];
export type RightLine = Schemas['RightLine'];
export type Share = Schemas['Share'];
export type Slice = Schemas['SliceInfo'];
export type Topic = Schemas['Topic'];
export type TopicsChanged = Schemas['TopicsChanged'];
export type TypeShare = Schemas['TypeShare'];
