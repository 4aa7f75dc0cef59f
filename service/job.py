"""An explanation request after everything that can be checked before any work was."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from service.errors import BudgetError, MethodUnavailableError, OptionError, UnknownMethodError
from service.explain.explanation import Explanation
from service.explain.method import Method, Parameters
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.measures.cost import measured_forwards
from service.faithfulness.measures.repeatability import repeats
from service.faithfulness.measures.stability import DRAWS
from service.faithfulness.protocol import PROTOCOLS, Protocol
from service.request import ExplainOptions
from service.runtime.limits import within
from service.runtime.model import LoadedModel
from service.runtime.plan import Plan
from service.runtime.tally import Work
from service.target import check_contrast, check_top_k, class_index


@dataclass(frozen=True, slots=True)
class Job:
    """What to do for one explanation request, and what it will cost.

    Args:
        target: Class index; None until the prediction is known.
        protocol: How to measure the map; None for no receipt.
    """

    model: LoadedModel
    options: ExplainOptions
    method: Method
    parameters: Parameters
    protocol: Protocol | None
    target: int | None
    contrast: int | None

    @property
    def explain_forwards(self) -> int:
        """Forward passes that one map may take: all that it may need, or what *max_forwards* leaves for it."""
        needed = self.method.forwards(self.model.height, self.model.width, self.parameters)
        limit = self.options.max_forwards
        if limit is None:
            return needed
        return min(needed, (limit - 1 - self.receipt_forwards - self.measure_forwards) // self.maps)

    @property
    def maps(self) -> int:
        """How often a map is made: once, and again for measures that compare it with others."""
        asked = self.options.measures
        again = repeats(self.method, self.parameters) if "repeatability" in asked else 0
        return 1 + again + (DRAWS if "stability" in asked else 0)

    @property
    def least_explain_forwards(self) -> int:
        """The fewest forward passes that the method can answer with."""
        least = self.method.least or self.method.forwards
        return least(self.model.height, self.model.width, self.parameters)

    @property
    def receipt_forwards(self) -> int:
        """Forward passes of the receipt."""
        return 0 if self.protocol is None else self.protocol.forwards

    @property
    def measure_forwards(self) -> int:
        """Forward passes of the measures, those of further maps left out."""
        if self.protocol is None:
            return 0
        near = DRAWS if "stability" in self.options.measures else 0
        return measured_forwards(self.protocol, self.options.measures) + near

    @property
    def cost_forwards(self) -> float:
        """The whole request in forward passes, a gradient counted as the several that it lasts."""
        return sum(work.cost for work in self.stages.values())

    @property
    def stages(self) -> Mapping[str, Work]:
        """What each stage may take, in order."""
        stages = {
            "predict": Work(1, 1),
            "explain": Work(self.explain_forwards, self._priced(self.explain_forwards)),
        }
        if self.protocol is not None:
            stages["receipt"] = Work(self.receipt_forwards, self.receipt_forwards)
        if self.options.measures:
            again = self.maps - 1
            stages["measures"] = Work(
                self.measure_forwards + again * self.explain_forwards,
                self.measure_forwards + again * self._priced(self.explain_forwards),
            )
        return stages

    @property
    def least_cost_forwards(self) -> float:
        """Likewise what a deadline must leave time for: the receipt can be left out, and some methods cut short."""
        return 1 + self._priced(min(self.least_explain_forwards, self.explain_forwards))

    def _priced(self, passes: int) -> float:
        if self.method.price is not None:
            return passes * self.method.price(self.model, self.parameters)
        return passes * self.model.forwards_per_pass(self.method.direction)

    def explain(self, subject: Subject, parameters: Parameters | None = None) -> Plan[Explanation]:
        """Make a map within what one map may take.

        Args:
            subject: What is explained.
            parameters: Instead of the request's.
        """
        plan = self.method.plan(subject, self.parameters if parameters is None else parameters)
        return within(plan, forwards=self.explain_forwards)


def check_job(model: LoadedModel, options: ExplainOptions) -> Job:
    """Check all options of a request against the model, before any work.

    Raises:
        RequestError: An option is unknown, of the wrong type or range, or the budget is too small.
    """
    check_top_k(model, options.top_k)
    method = _method(model, options.method)
    job = Job(
        model=model,
        options=options,
        method=method,
        parameters=_parameters(method, options),
        protocol=None if options.receipt == "none" else PROTOCOLS[options.receipt],
        target=class_index(model, options.target, "target"),
        contrast=class_index(model, options.contrast, "contrast"),
    )
    check_contrast(job.target, job.contrast)
    _check_measures(job)
    _check_budget(job)
    return job


def _check_measures(job: Job) -> None:
    if job.protocol is None and (job.options.measures or job.options.place is not None):
        raise OptionError(
            "measures, boxes and a mask are part of the receipt, and receipt is none. Ask for receipt=fast or full.",
            where="options.receipt",
        )


def _method(model: LoadedModel, name: str) -> Method:
    if name not in METHODS:
        raise UnknownMethodError(
            f"no method is named {name!r}. Methods are: {', '.join(METHODS)}.", where="options.method"
        )
    method = METHODS[name]
    if method.direction not in model.directions:
        usable = [other.name for other in METHODS.values() if other.direction in model.directions]
        raise MethodUnavailableError(
            f"{name} does not work for model {model.manifest.name!r}: {model.why_not(method.direction)}. "
            f"Methods that work for it: {', '.join(usable)}.",
            where="options.method",
        )
    return method


def _parameters(method: Method, options: ExplainOptions) -> Parameters:
    try:
        return method.parameters.model_validate(dict(options.parameters))
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        known = ", ".join(method.parameters.model_fields) or "none"
        raise OptionError(
            f"{name} = {fault['input']!r}: {fault['msg']}. Options of {method.name}: {known}.",
            where=f"options.{name}",
        ) from None


def _check_budget(job: Job) -> None:
    least = job.least_explain_forwards * job.maps
    receipt = job.receipt_forwards + job.measure_forwards
    needed = 1 + least + receipt
    limit = job.options.max_forwards
    if limit is not None and needed > limit:
        raise BudgetError(
            f"{job.method.name} with receipt={job.options.receipt} needs at least {needed} forward passes (1 to "
            f"classify, {least} to explain, {receipt} for the receipt); max_forwards is {limit}. "
            "Raise it, or choose a cheaper method or receipt.",
            where="options.max_forwards",
        )
