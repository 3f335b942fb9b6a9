"""Run -> Report: what came of it, whether it is all there, and what a person can do now.

    collect        what each task returned, by story
    completeness   what had to be, and what shows that it is: tasks, outputs, criteria
    contracts      whether results are what their tasks' `check` says
    outcome        one sentence, the failures, plan against run, the lines that go on
    causes         what is known of why tasks failed, which of them alike, and what can be done
    retries        what was tried again, why, and what came of it
    aggregate      the results of a story in one table
    environment    versions, hashes, the state of the workspace
    integrate      all of these in one `Report`

Nothing of the plan runs here but the checks that it has for results, and nothing is changed. What
is pickled stays so, unless a check of this process asks for it; declared output files are looked
at, and git is asked for the workspace's commit.
"""
