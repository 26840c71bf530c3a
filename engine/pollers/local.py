"""The lane: one thread that carries one local poller's commands from the journal to the core and their proof back.

Theory of operation. Everything is one synchronous step, so that the order "journal, write, journal" can be read off the page:
follow the log and store what it proves; take a new generation if there is one and store what that proves; write what waits.
A step begins when somebody pokes the lane (a command was accepted, a generation was applied) or after a pause that is short
while something is unproven. The batch row with the exact bytes is durable before they are written; after a crash of ours the
lane reads the log from where it was followed to (or the oldest open batch was written), writes a lone mark, and sends nothing
else until that mark settled every open batch. The same goes for a log that stays silent for `silent_log_s`: what was written
becomes `unknown`, nothing is added to it, and a mark that comes back at last lets the lane go on.

The lane is one object, written in layers, a subject in each module; none overrides anything of another: `lane_parts.py` (what it
holds), `lane_log.py` (the log), `lane_writing.py` and `lane_sending.py` (the command file), `lane_silence.py` (proof that does not
come), and here its thread, its round and the status file.
"""

from __future__ import annotations

from engine.journal.slices import Slices
from engine.pollers.expiry import Expiry
from engine.pollers.lane_parts import Reports
from engine.pollers.lane_silence import LaneSilence
from engine.pollers.lane_writing import GATHER_S

__all__ = ["Lane", "Reports"]

LOGGED_WITHIN_S = 20.0  # Icinga 2 flushes its log every second; on a machine with much to do it takes longer
_ENOUGH_FLIGHTS = 8  # writes that keep a core busy for a millisecond or two
WRITTEN_WITHIN_S = 0.05  # the step `written` is stored by then, with whatever else is to be stored


class Lane(LaneSilence):
    """See the module. `run` is the thread's body; `poke` and `generation_applied` may be called from any thread."""

    __slots__ = ()

    # --- from other threads ----------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """Somebody accepted a command for this poller."""
        self._poked_at = self.clock.monotonic()
        self._look = True
        if not self._is_gathering:
            self._poked.set()

    def generation_applied(self, generation: int) -> None:
        """The mirror shows this generation of the poller."""
        if generation == self._generation:
            return
        self._generation = generation
        self._generation_due = True
        self._look = True
        self._poked.set()

    def stop(self) -> None:
        """Let `run` end after the present step."""
        self._stopping = True
        self._poked.set()

    # --- the thread ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Recover, then step until stopped."""
        self.recover()
        while not self._stopping:
            self.step()
            self.rest()
        self._save_written()
        self.following.save(0.0)
        self.close()

    def rest(self) -> None:
        """Until somebody pokes, or it is time to look again."""
        self._poked.wait(self._pause())
        self._poked.clear()

    def step(self) -> None:
        """One round: what the log says, what the status file says, what waits."""
        self.follow_log()
        if self._generation_due:
            self._generation_due = False
            self.take_generation()
        self._judge_results()
        self._give_up_silent()
        self._look_after_command_file()
        self.send()
        self._push_overdue()
        if self._unsaved_for() > WRITTEN_WITHIN_S:
            self._save_written()

    def _pause(self) -> float:
        """Seconds until the next look at the log, poked or not: no longer than something waits to be stored."""
        unsaved = self._unsaved_for()
        return self._until_proof() if unsaved < 0 else min(self._until_proof(), max(0.0, WRITTEN_WITHIN_S - unsaved))

    def _until_proof(self) -> float:
        """Short while something is unproven, longer the longer it takes."""
        if self._log_has_more:
            return 0.0 if len(self._flights) < _ENOUGH_FLIGHTS else 0.001
        if self._is_gathering:
            ends = min(self._gathering_until, self._poked_at + GATHER_S)
            return min(GATHER_S if self._flights else 1.0, max(0.0, ends - self.clock.monotonic()))
        if self.results.has_to_judge(self._generation):
            return 0.001
        if not self._flights:
            return 0.1
        newest = max(flight.written_at for flight in self._flights.values())
        waited = self.clock.monotonic() - newest
        return 0.001 if waited < 0.05 else 0.005 if waited < 0.5 else 0.02 if waited < 5 else 0.1

    # --- the status file -------------------------------------------------------------------------------------------------

    def take_generation(self) -> None:
        """Judge effects by the newest generation."""
        reader = self._opened_reader()
        if reader is None:
            return
        _, created, program_start = reader.poller_generation(self.poller.number)
        if created and not program_start:
            return  # an Icinga 2 that is just starting writes a file that does not know yet when it began, nor what it had kept
        if program_start != self.following.state.program_start:
            # A new run: its log, which says how the former one ended, is written before its first status file, or soon after.
            self.follow_log()
            if self.profile.logs_late and not self._is_start_told(program_start):
                self._generation_due = True
                return
        crashed = self.following.is_crash(program_start)
        with Slices(self.journal) as slices:
            moved = self.prover.take_generation(slices, reader, self.clock.now(), self._generation_created, crashed)
            _, self._generation_created, _ = reader.poller_generation(self.poller.number)
            if self.health.is_reading and self._generation_created > self._back_at:
                at, ttl_s = self.clock.now(), self.settings.ttl_acknowledgement_s
                moved += Expiry(slices, reader, self.poller.number, self.poller.kind, at, ttl_s).take_back()
        if created:
            self.following.saw(program_start)
        self._look |= crashed
        self.reports.moved(moved)

    def _is_start_told(self, program_start: float) -> bool:
        return self.following.knows_start(program_start) or self.clock.now() >= program_start + LOGGED_WITHIN_S

    def _judge_results(self) -> None:
        """Look for what calls of results did, a slice of them at a time."""
        reader = self._opened_reader() if self.results.has_to_judge(self._generation) else None
        if reader is None:
            return
        with reader.snapshot():
            generation, created, program_start = reader.poller_generation(self.poller.number)
            self.results.see(generation)
            self.results.judge(reader, self._generation, created, program_start)
        self._note_unsaved()
