"""The plan, the runner and its worker processes, and the interface of experiments."""

from medpipe.running.experiment import ExperimentResult, RunContext, declare_read

__all__ = ["ExperimentResult", "RunContext", "declare_read"]
