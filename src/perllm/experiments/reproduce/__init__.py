"""The paper's claims, measured: a plan fixed before the runs, and a document made of nothing but their results."""
