"""A labelled set for redaction: texts from templates, values from Faker and from the issuers' own rules."""
