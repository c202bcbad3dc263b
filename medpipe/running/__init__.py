"""What to do, and doing it: the contract with experiments, the plan and the runner."""

from medpipe.running.experiment import ExperimentResult, RunContext, declare_read

__all__ = ["ExperimentResult", "RunContext", "declare_read"]
