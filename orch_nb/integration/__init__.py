"""Run -> Report: what came of it, whether it is all there, and what a person can do now.

    collect        what each task returned, by story
    completeness   what had to be, and what shows that it is: tasks, outputs, criteria
    outcome        one sentence, the failures, plan against run, the lines that go on
    integrate      the four in one `Report`

Nothing here runs, changes or unpickles anything; only declared output files are looked at.
"""
