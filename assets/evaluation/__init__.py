"""How well the scores of an arm separate abnormal from normal patients, and the report that says so."""
