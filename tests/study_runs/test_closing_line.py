from pipelines.study.run import closing_line


def test_only_a_whole_study_that_failed_nowhere_is_called_finished() -> None:
    assert closing_line(done=True, whole=True) == "every arm is trained and scored"
    assert "not the whole study" in closing_line(done=True, whole=False)
    assert closing_line(done=False, whole=True) == closing_line(done=False, whole=False) == "there is more to do"
