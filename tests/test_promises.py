"""What is promised, by number, and the tests that hold each promise: of a batch in a table, of a run and of any input by marker."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROMISES = {
    "B1": (
        "All names are planned first; two inputs for one result are refused with both names, and nothing is written.",
        "batch/test_plan.py::test_two_sources_for_one_file_are_refused_with_both_names",
        "cli/test_batch.py::test_what_is_wrong_for_all_is_refused_before_anything_is_written",
        "cli/test_batch_names.py::test_clashes_of_such_names_are_one_line",
    ),
    "B2": (
        "A bad file stops no other; exit 1; the summary counts, and the report has a row for each picture.",
        "cli/test_batch.py::test_all_is_done_beside_every_kind_of_bad_file",
        "cli/test_batch.py::test_the_report_has_a_row_for_every_picture",
    ),
    "B3": (
        "Killed at any moment, the same command ends with the tree of an undisturbed run, and no half-written file.",
        "cli/test_batch_kills.py::test_kills_and_the_tree_of_an_undisturbed_run",
        "cli/test_random_signals.py::test_b3_b7_a_signal_at_any_moment",
        "cli/test_injected_failures.py::test_c5_b3_a_batch_ends_byte_equal_after_any_failure",
        "cli/test_strace.py::test_c5_b3_a_batch_ends_byte_equal_after_any_refusal_or_kill",
    ),
    "B4": (
        "A worker that is killed, crashes or has no memory costs one picture, not the run.",
        "batch/test_scheduler.py::test_a_worker_that_dies_costs_its_task_and_no_other",
        "batch/test_scheduler.py::test_b4_a_lack_of_memory_in_a_worker_costs_one_task_and_is_named",
        "cli/test_batch.py::test_a_worker_that_is_killed_costs_one_picture_at_most",
        "cli/test_injected_worker_failures.py::test_c5_b4_a_failure_between_parent_and_worker_loses_nothing",
    ),
    "B5": (
        "Done is what a line says that was written after its files: same source, same settings, files of the noted sizes.",
        "batch/test_journal.py::test_a_line_that_differs_in_anything_means_redone",
        "batch/test_journal.py::test_a_last_line_torn_at_any_byte_is_cut_off",
        "batch/test_journal.py::test_a_journal_of_another_form_is_refused_and_left_alone",
        "cli/test_batch_kills.py::test_a_line_is_written_when_its_files_are_on_the_disk_and_not_before",
    ),
    "B6": (
        "Results of two recipes are never mixed: another recipe is refused, or makes all again with --force.",
        "cli/test_batch.py::test_another_recipe_needs_force",
        "batch/test_journal.py::test_another_recipe_is_refused_and_the_difference_is_told",
    ),
    "B7": (
        "Ctrl-C ends within 2 s with exit code 130, SIGTERM with 143; a second one waits for nothing.",
        "cli/test_batch_kills.py::test_a_signal_in_the_middle_ends_the_run_and_the_same_command_goes_on",
        "batch/test_scheduler.py::test_a_second_ctrl_c_waits_for_nothing",
        "cli/test_random_signals.py::test_b3_b7_a_signal_at_any_moment",
    ),
    "B8": (
        "A folder in use by another run is refused at once, the lock named; a killed run leaves no lock. Exit code 1.",
        "cli/test_batch_refusals.py::test_b8_a_folder_in_use_is_exit_1_and_names_the_lock_and_the_process",
        "cli/test_batch_kills.py::test_a_killed_parent_takes_its_workers_along_and_leaves_no_lock",
        "cli/test_batch_inputs.py::test_wait_waits_for_the_other_run",
    ),
    "B9": (
        "A full disk ends the run soon, in one line that names the file; with room the same command goes on. Exit code 1.",
        "cli/test_batch_kills.py::test_a_full_disk_ends_the_run_soon_and_room_lets_it_go_on",
        "cli/test_injected_failures.py::test_a_full_disk_is_told_with_the_file_that_met_it",
    ),
    "B10": (
        "Memory and descriptors of the parent do not grow with the number of files; the order changes no byte.",
        "cli/test_batch.py::test_the_parents_memory_and_descriptors_do_not_grow",
        "cli/test_batch.py::test_the_same_bytes_for_any_number_of_jobs_and_as_run_makes",
    ),
    "B11": (
        "Loops of links end, each file is taken once, and nothing outside DIR is written.",
        "batch/test_plan.py::test_links",
        "batch/test_plan.py::test_every_file_once",
        "cli/test_batch.py::test_the_output_inside_the_input_is_no_input",
        "cli/test_batch.py::test_a_link_that_leads_out_is_refused",
    ),
    "B12": (
        "Hostile names are done, stderr shows them escaped, and the report gives their bytes back.",
        "cli/test_batch_names.py::test_any_names_are_done_or_refused_and_have_a_row",
        "cli/test_batch_names.py::test_all_are_done_and_told",
        "cli/test_shell.py::test_the_bytes_of_names_come_back_from_a_report",
    ),
    "B13": (
        "No template leads out of DIR or reaches anything but its fields.",
        "batch/test_templates.py::test_templates_that_are_refused",
        "batch/test_templates.py::test_no_name_has_a_folder",
    ),
    "B14": (
        "All start methods of processes and any number of them give equal results; --jobs 0 works in this process.",
        "batch/test_scheduler.py::test_start_methods",
        "cli/test_batch.py::test_the_same_bytes_for_any_number_of_jobs_and_as_run_makes",
    ),
    "B15": (
        "A file that vanishes or shrinks meanwhile is that picture's failure.",
        "cli/test_batch.py::test_what_vanishes_or_shrinks_meanwhile_is_a_failure",
    ),
    "B16": (
        "A worker's memory does not grow with the pictures and figures that it has made.",
        "cli/test_batch_memory.py::test_b16_the_memory_of_a_worker_does_not_grow",
    ),
    "B17": (
        "A picture that takes longer than --timeout is ended and named; suspended time does not count.",
        "cli/test_batch.py::test_a_picture_that_takes_too_long_is_named",
        "batch/test_scheduler.py::test_a_task_that_takes_too_long_is_ended_and_no_other",
        "batch/test_scheduler.py::test_time_in_which_the_program_is_suspended_does_not_count",
    ),
    "C5": (
        "Whichever call of the system fails, or is interrupted: the old file or the complete new one, and an end.",
        "cli/test_injected_failures.py::test_c5_a_single_run_leaves_the_old_file_or_the_new",
        "cli/test_injected_failures.py::test_c5_b3_a_batch_ends_byte_equal_after_any_failure",
        "cli/test_injected_worker_failures.py::test_c5_b4_a_failure_between_parent_and_worker_loses_nothing",
        "cli/test_batch_kills.py::test_failing_at_every_call",
    ),
}


MARKED = {
    "A1": "An output is the old one or the complete new one, whenever the run is killed.",
    "A2": "A failure to write leaves the old output, nothing else, and one line.",
    "A3": "What a format cannot hold is found before the output is touched.",
    "A4": "Output equal to input, through links too, is refused.",
    "A5": "No file starts a program.",
    "A6": "Every difficult file is a picture with its values or one line, soon, with little memory.",
    "A7": "A file whose decoding failed gives no picture.",
    "A8": "16-bit and float samples keep their levels.",
    "A9": "NaN and infinity are an error, zero or missing, and never a warning.",
    "A10": "Pictures are read upright in every container, and results carry no orientation.",
    "A11": "Damaged metadata lose no picture.",
    "A12": "Of several frames one is read, and a note says which.",
    "A13": "Settings are checked before anything is decoded.",
    "A14": "More pixels than allowed are refused from the header and from the plan, without memory.",
    "A15": "Memory is bounded by the picture: a little too little fails in one line, just enough passes.",
    "A16": "What is no regular file is read once, or named.",
    "A17": "A file that shrinks meanwhile kills nothing.",
    "A18": "The environment changes neither result nor figure.",
    "A19": "What is not used is not imported.",
    "A20": "Same input and options give the same bytes, whatever the threads, the workers and the neighbours.",
    "A21": "A stdout that is closed or full ends in a line, and the result is complete.",
    "C1": "Any bytes end in a picture or an error of ours.",
    "C2": "Any settings follow the definitions and their laws.",
    "C3": "Any name is done or refused, and reports give it back.",
    "C4": "Any journal never means done for a wrong output.",
}


def marks():
    """The numbers of each `pytest.mark.promise` in the tests, with the test."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and getattr(mark.func, "attr", "") == "promise":
                    yield from ((number.value, f"{path.name}::{node.name}") for number in mark.args)


def test_every_number_is_there():
    assert set(PROMISES) == {*(f"B{number}" for number in range(1, 18)), "C5"}
    assert set(MARKED) == {*(f"A{number}" for number in range(1, 22)), *(f"C{number}" for number in range(1, 5))}


def test_every_other_promise_has_a_test_with_its_number():
    assert {number for number, _ in marks()} == set(MARKED)


@pytest.mark.parametrize("number", PROMISES)
def test_a_promise_has_tests(number):
    _, *tests = PROMISES[number]
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        tree = ast.parse((TESTS / path).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
